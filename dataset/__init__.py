"""Datasets: tables with columns of text, block by block, translated into tables with more columns.

    columns     columns to translate, and the names of what is made of them
    shards      files of a call, and where each goes
    readers     opens a file by its format
    arrow_*, parquet, ipc, jsonl, delimited, text_files    the formats
    conditions  `--where`
    cells       texts of cells to units of translation and back; dictionary of duplicates
    spool       results of blocks on disk, with which a killed job goes on
    job         blocks through a translator, results into outputs

A **block** is a part of a file of bounded size: a row group or a part of one, some thousand lines.
The blocks of a file follow from the file alone. The results of a block are kept under a name that
follows from its texts, so that a block that is done twice, by whomever, is the same file.
"""
