"""What to cite, as BibTeX."""

hsu = """@article{hsu2021deep,
  author = {Hsu, Wei-Han and Chen, Bo-Yu and Yang, Yi-Hsuan},
  title = {Deep Learning Based {EDM} Subgenre Classification using Mel-Spectrogram and Tempogram Features},
  journal = {arXiv:2110.08862},
  year = {2021},
}"""

won = """@inproceedings{won2020evaluation,
  author = {Won, Minz and Ferraro, Andres and Bogdanov, Dmitry and Serra, Xavier},
  title = {Evaluation of {CNN}-based Automatic Music Tagging Models},
  booktitle = {Proc. Sound and Music Computing Conference (SMC)},
  year = {2020},
}"""
