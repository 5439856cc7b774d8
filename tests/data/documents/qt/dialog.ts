<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" sourcelanguage="en" language="de">
<context>
    <name>Dialog</name>
    <message>
        <location filename="dialog.cpp" line="7"/>
        <source>&amp;Save as…</source>
        <translation type="unfinished"></translation>
    </message>
    <message numerus="yes">
        <source>%n page(s) of %L1</source>
        <comment>printing</comment>
        <translation type="unfinished"><numerusform/><numerusform></numerusform></translation>
    </message>
    <message>
        <source>Quit</source>
        <translation>Beenden</translation>
    </message>
    <message>
        <source>Perhaps</source>
        <translation type="unfinished">Vielleicht</translation>
    </message>
    <message>
        <source>Gone</source>
        <translation type="vanished"></translation>
    </message>
    <message>
        <source>A &lt;i&gt;new&lt;/i&gt; line<byte value="x9"/>here &amp; there</source>
        <translation type="unfinished"/>
    </message>
</context>
</TS>
