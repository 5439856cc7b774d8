"""Documents: files go in, the same files come out translated. No torch here.

    document = open_document(Path("report.md"))
    results = translate_segments(document.segments, translate)  # texts to their translations
    data = document.with_translations({result.segment.id: result.text for result in results})

A format finds the places in a file where text stands and leaves all else alone: a translated file
is the bytes of the original with these places written anew, and a segment whose translation is what
stands there already is not written at all.

    formats                         a file to a document: by suffix, by content, by name
    text · markdown · html · subtitles · gettext · strings · xliff · tmx · bitext
    word · opendocument
    packages · xml                  what several of them share
    glossaries · memories           terms and earlier translations in files
    tables · xml_elements           what these share
    translation                     segments through a translator, nothing lost
    restoring                       placeholders back into a translation
    document · segments             what a document is
    protection · encoding
"""
