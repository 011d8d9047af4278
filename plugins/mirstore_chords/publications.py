"""What to cite, as BibTeX."""

bogdanov = r"""@inproceedings{bogdanov2013essentia,
  author = {Bogdanov, Dmitry and Wack, Nicolas and G{\'o}mez, Emilia and Gulati, Sankalp and Herrera, Perfecto and
            Mayor, Oscar and Roma, Gerard and Salamon, Justin and Zapata, Jos{\'e} and Serra, Xavier},
  title = {{ESSENTIA}: An Audio Analysis Library for Music Information Retrieval},
  booktitle = {Proc. Int. Society for Music Information Retrieval Conference (ISMIR)},
  pages = {493--498},
  year = {2013},
}"""


gomez = r"""@phdthesis{gomez2006tonal,
  author = {G{\'o}mez, Emilia},
  title = {Tonal Description of Music Audio Signals},
  school = {Universitat Pompeu Fabra},
  year = {2006},
}"""
