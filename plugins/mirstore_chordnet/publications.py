"""What to cite, as BibTeX."""

jiang = r"""@inproceedings{jiang2019large,
  author = {Jiang, Junyan and Chen, Ke and Li, Wei and Xia, Gus},
  title = {Large-Vocabulary Chord Transcription via Chord Structure Decomposition},
  booktitle = {Proc. Int. Society for Music Information Retrieval Conference (ISMIR)},
  pages = {644--651},
  year = {2019},
}"""
