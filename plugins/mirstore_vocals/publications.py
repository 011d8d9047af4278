"""What to cite, as BibTeX."""

hennequin = """@article{hennequin2020spleeter,
  author = {Hennequin, Romain and Khlif, Anis and Voituret, Felix and Moussallam, Manuel},
  title = {Spleeter: a fast and efficient music source separation tool with pre-trained models},
  journal = {Journal of Open Source Software},
  volume = {5},
  number = {50},
  pages = {2154},
  year = {2020},
}"""

jansson = """@inproceedings{jansson2017unet,
  author = {Jansson, Andreas and Humphrey, Eric and Montecchio, Nicola and Bittner, Rachel and Kumar, Aparna and
    Weyde, Tillman},
  title = {Singing Voice Separation with Deep {U-Net} Convolutional Networks},
  booktitle = {Proceedings of the 18th International Society for Music Information Retrieval Conference},
  pages = {745--751},
  year = {2017},
}"""

rouard = """@inproceedings{rouard2023hybrid,
  author = {Rouard, Simon and Massa, Francisco and D{\\'e}fossez, Alexandre},
  title = {Hybrid Transformers for Music Source Separation},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  year = {2023},
}"""
