"""Abbreviations that do not end a sentence, in lower case, by language. No torch here."""

_DE = """
abb. abs. abschn. abt. allg. anm. art. aufl. ausg. bd. bde. beisp. bes. betr. bspw. bzgl. bzw.
ca. d.h. dgl. dipl. dr. e.v. ebd. ehem. eigtl. einschl. engl. evtl. exkl. fa. ff. fig. forts. fr.
frz. geb. gegr. gest. ggf. ggü. griech. hg. hl. hptm. hr. hrn. hrsg. ing. inh. inkl. insb. jh.
jhd. kap. kath. lat. lfd. lt. m.e. max. mind. mio. mrd. mwst. n.chr. nr. nrn. näml. o.ä. obb. od.
orig. pfd. pos. prof. r. red. rel. s. s.o. s.u. seg. sek. sog. spez. st. std. str. tab. tel. u.a.
u.u. u.ä. urspr. usf. v.chr. verf. vgl. vollst. vorm. wg. z.b. z.t. z.zt. zit. zt. zzgl. zzt.
österr. übers.
"""

_EN = """
a.k.a. a.m. adm. approx. apr. apt. art. assn. assoc. aug. ave. bldg. blvd. brig. bros. c. ca.
capt. cf. ch. cmdr. col. comp. cont. corp. dec. dept. dist. div. dr. e.g. ed. eds. est. etc.
excl. ext. feb. fig. figs. fr. ft. gen. gov. hon. hrs. i.e. inc. incl. inst. intl. jan. jr. jul.
jun. lt. ltd. maj. mar. max. messrs. min. misc. mr. mrs. ms. mt. natl. nov. oct. op. orig. p.m.
par. ph.d. prof. prov. pt. pvt. ref. rep. resp. rev. sec. sen. sep. sept. ser. sgt. sr. st. supp.
tel. univ. v. viz. vol. vols. vs. yr.
"""

ABBREVIATIONS = {"de": frozenset(_DE.split()), "en": frozenset(_EN.split())}

_DE_NUMBERED = """
abs. art. bl. kap. nr. s. sp. z. zif. ziff.
"""

_EN_NUMBERED = """
art. ch. fig. no. nos. p. para. pp. sec. vol.
"""

NUMBERED = {"de": frozenset(_DE_NUMBERED.split()), "en": frozenset(_EN_NUMBERED.split())}
"""Abbreviations that are words too, unless a number follows."""
