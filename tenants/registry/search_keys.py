"""How names are compared when somebody looks for an organisation; what is shown is never changed.

Documents that were made from PDF hold radicals where letters should be (⺠ for 民), people type kana in both
forms and widths, and names are written with variants (ヶ and ケ, 檮 and 梼). All of them find the same.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

#: The CJK Radicals Supplement and what Unicode's EquivalentUnifiedIdeograph says they stand for. NFKC knows
#: the Kangxi radicals, but only two of these.
_RADICALS = (
    "⺁⺂⺃⺄⺅⺆⺇⺈⺉⺊⺋⺌⺍⺎⺏⺐⺑⺒⺓⺔⺕⺖⺗⺘⺙⺛⺜⺝⺞⺟⺠⺡⺢⺣⺤⺥⺦⺧⺨⺩"
    "⺪⺫⺬⺭⺮⺯⺰⺱⺲⺳⺴⺵⺶⺷⺸⺹⺺⺻⺼⺽⺾⺿⻀⻁⻂⻃⻄⻅⻆⻇⻈⻉⻊⻋⻌⻍⻎⻏⻐⻑"
    "⻒⻓⻔⻕⻖⻗⻘⻙⻚⻛⻜⻝⻞⻟⻠⻡⻢⻣⻤⻥⻦⻧⻨⻩⻪⻫⻬⻭⻮⻯⻰⻱⻲⻳"
)
_IDEOGRAPHS = (
    "厂乛乚乙亻冂𠘨刀刂卜㔾小小兀尣尢𡯂巳幺彑彐忄心扌攵旡日月歺母民氵氺灬爫爫丬牛犭王"
    "𤴔目示礻𥫗糹纟罓罒㓁冗𦉫羊𦍌𦍋耂肀聿肉𦥑艹艹艹虎衤覀西见角𧢲讠贝𧾷车辶辶辶邑钅長"
    "镸长门𨸏阝雨青韦页风飞食𩙿飠饣𩠐马骨鬼鱼鸟卤麦黄黾斉齐歯齿竜龙龜亀龟"
)
#: Forms of one letter that occur in names of places.
_VARIANTS = str.maketrans(
    {"檮": "梼", "龍": "竜", "竈": "釜", "鰺": "鯵", "﨑": "崎", "槇": "槙", "曾": "曽", "櫻": "桜", "澤": "沢"}
    | {"濱": "浜", "邊": "辺", "邉": "辺", "國": "国", "冨": "富", "嶋": "島", "舘": "館", "瀨": "瀬", "德": "徳"}
)
_SMALL = str.maketrans("ァィゥェォヵㇰヶッャュョヮ", "アイウエオカクケツヤユヨワ")
_HIRAGANA = {code: code + 0x60 for code in range(0x3041, 0x3097)}
#: Spaces and dots between words, and the selectors by which a font is told which form of a letter to show.
_IGNORED = dict.fromkeys(
    [*map(ord, " \t\r\n\u3000・･-‐"), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)],
)
_LETTERS = str.maketrans(_RADICALS, _IDEOGRAPHS)


def search_form(written: str) -> str:
    """Return *written* as it is compared: NFKC, radicals as letters, katakana, large kana, lower case."""
    letters = unicodedata.normalize("NFKC", written.translate(_LETTERS))
    katakana = letters.lower().translate(_HIRAGANA).translate(_SMALL)
    # A small kana that became large may go together with a mark that stood behind it.
    return unicodedata.normalize("NFC", katakana.translate(_VARIANTS).translate(_IGNORED))


def search_words(written: str) -> Sequence[str]:
    """Return the words of a search, each in its search form; what is nothing but signs is left out."""
    parts = unicodedata.normalize("NFKC", written).split()
    return [word for part in parts if (word := search_form(part))]


def search_key(*names: str) -> str:
    """Return what is stored to be searched: the search forms of *names*, apart from one another."""
    return "\n".join(search_form(name) for name in names)
