"""BibTeX of what transcripts rest on."""

whisper = """@inproceedings{radford2023robust,
  title = {Robust speech recognition via large-scale weak supervision},
  author = {Radford, Alec and Kim, Jong Wook and Xu, Tao and Brockman, Greg and McLeavey, Christine and
    Sutskever, Ilya},
  booktitle = {International Conference on Machine Learning},
  pages = {28492--28518},
  year = {2023},
}"""
