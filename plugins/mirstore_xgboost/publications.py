"""What to cite, as BibTeX."""

chen = """@inproceedings{chen2016xgboost,
  author = {Chen, Tianqi and Guestrin, Carlos},
  title = {{XGBoost}: A Scalable Tree Boosting System},
  booktitle = {Proc. ACM SIGKDD Int. Conf. Knowledge Discovery and Data Mining},
  pages = {785--794},
  year = {2016},
}"""
