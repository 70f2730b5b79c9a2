"""The tile map of Japan: one tile for each prefecture, at about its place; templates/web/tilemap.html draws it.

It is a list of links in the order of the prefectures' numbers, for keyboards and screen readers; where the screen is
narrow it is shown as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chukan.platform.web.cells import Status, legend


@dataclass(frozen=True)
class Place:
    """A prefecture: its name, and its place on the map from the upper left corner (1, 1)."""

    name: str
    row: int
    column: int

    @property
    def short(self) -> str:
        """The name without 都, 府 or 県."""
        return self.name if self.name == "北海道" else self.name[:-1]


#: By the prefecture's number (JIS X 0401). static/app.css repeats rows and columns; a test compares them.
PREFECTURES: Mapping[str, Place] = {
    "01": Place("北海道", 1, 14),
    "02": Place("青森県", 2, 13),
    "03": Place("岩手県", 3, 13),
    "04": Place("宮城県", 4, 13),
    "05": Place("秋田県", 3, 12),
    "06": Place("山形県", 4, 12),
    "07": Place("福島県", 5, 13),
    "08": Place("茨城県", 6, 14),
    "09": Place("栃木県", 6, 13),
    "10": Place("群馬県", 6, 12),
    "11": Place("埼玉県", 7, 12),
    "12": Place("千葉県", 7, 14),
    "13": Place("東京都", 7, 13),
    "14": Place("神奈川県", 8, 13),
    "15": Place("新潟県", 5, 12),
    "16": Place("富山県", 5, 11),
    "17": Place("石川県", 5, 10),
    "18": Place("福井県", 6, 9),
    "19": Place("山梨県", 7, 11),
    "20": Place("長野県", 6, 11),
    "21": Place("岐阜県", 6, 10),
    "22": Place("静岡県", 8, 11),
    "23": Place("愛知県", 7, 10),
    "24": Place("三重県", 8, 10),
    "25": Place("滋賀県", 7, 9),
    "26": Place("京都府", 7, 8),
    "27": Place("大阪府", 8, 8),
    "28": Place("兵庫県", 7, 7),
    "29": Place("奈良県", 8, 9),
    "30": Place("和歌山県", 9, 9),
    "31": Place("鳥取県", 7, 6),
    "32": Place("島根県", 7, 5),
    "33": Place("岡山県", 8, 6),
    "34": Place("広島県", 8, 5),
    "35": Place("山口県", 8, 4),
    "36": Place("徳島県", 11, 6),
    "37": Place("香川県", 10, 6),
    "38": Place("愛媛県", 10, 5),
    "39": Place("高知県", 11, 5),
    "40": Place("福岡県", 9, 3),
    "41": Place("佐賀県", 9, 2),
    "42": Place("長崎県", 9, 1),
    "43": Place("熊本県", 10, 2),
    "44": Place("大分県", 10, 3),
    "45": Place("宮崎県", 11, 3),
    "46": Place("鹿児島県", 11, 2),
    "47": Place("沖縄県", 12, 1),
}


@dataclass(frozen=True)
class Tile:
    """What one prefecture's tile tells: a number, a state, and where it leads.

    *told* is the whole of it in words, for those who do not see the map: 41団体中 3団体で対応が必要.
    """

    code: str
    href: str
    count: int
    state: Status
    told: str

    @property
    def place(self) -> Place:
        """Which prefecture it is, and where it lies."""
        return PREFECTURES[self.code]


@dataclass(frozen=True)
class TileMap:
    """The map: at most one tile for each prefecture, and the marks that it explains.

    Raises:
        ValueError: a code is no prefecture's, or stands there twice.
    """

    id: str
    title: str
    tiles: Sequence[Tile]

    def __post_init__(self) -> None:
        codes = [tile.code for tile in self.tiles]
        if len(set(codes)) < len(codes) or set(codes) - PREFECTURES.keys():
            raise ValueError("each prefecture has one tile")

    @property
    def ordered(self) -> Sequence[tuple[str, Place, Tile | None]]:
        """Every prefecture by its number, with its tile; None where nothing is known."""
        tiles = {tile.code: tile for tile in self.tiles}
        return [(code, place, tiles.get(code)) for code, place in PREFECTURES.items()]

    @property
    def legend(self) -> Sequence[Status]:
        """The states that appear on the map, each once, in the order of the marks."""
        return legend(tile.state for tile in self.tiles)
