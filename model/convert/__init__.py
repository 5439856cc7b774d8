"""Models of other programs made ours, and ours made theirs.

`marian` reads what the Hugging Face hub has of OPUS-MT, `hub` fetches it, `ctranslate2` writes a
model of ours for CTranslate2.
"""
