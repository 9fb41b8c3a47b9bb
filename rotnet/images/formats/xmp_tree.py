"""XMP as a tree whose elements know their bytes, so that single values are changed and every other byte stays.

Expat parses. A packet that declares a document type, and with it entities, is refused before any is expanded, and so
is one that is larger, deeper or of more elements than any program writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from rotnet.images.formats.xmp import refuse_large

__all__ = ["DESCRIPTION", "Edit", "Element", "Leaf", "Name", "RDF", "edited", "parse"]

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
Name = tuple[str, str]
"""Namespace and local name."""
DESCRIPTION: Name = (RDF, "Description")
_LISTS = ((RDF, "Bag"), (RDF, "Seq"), (RDF, "Alt"))

MOST_ELEMENTS = 50_000
DEEPEST = 64
_TAG_NAME = re.compile(rb"<[^\s/>]+")
_ATTRIBUTE = re.compile(rb"\s+([^\s=/>]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_TAG_END = re.compile(rb"\s*/?>")

Edit = tuple[int, int, bytes]
"""First byte, the one behind the last, and what goes there."""


@dataclass(frozen=True)
class Leaf:
    """A value: its text, and where that stands."""

    text: str
    start: int
    stop: int

    def to(self, text: str) -> Edit:
        """An edit that writes another text, which must need no escape."""
        return self.start, self.stop, text.encode("ascii")


@dataclass
class Element:
    """An element of XML.

    Attributes:
        name: Namespace and local name.
        start, stop: Of the whole element in the packet, bytes.
        tag_stop: Behind its first tag; equal to `stop` where that is its only one.
        close: Where its last tag begins; likewise `stop`.
        attributes: Values by name, without declarations of namespaces.
        children: The elements in it.
        texts: The text in it, without that of its children, in pieces.
    """

    name: Name
    start: int
    tag_stop: int
    attributes: dict[Name, Leaf]
    stop: int = 0
    close: int = 0
    children: list[Element] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def all(self) -> Iterator[Element]:
        """It, and all elements in it, in order."""
        waiting = [self]
        while waiting:
            one = waiting.pop()
            yield one
            waiting += reversed(one.children)

    def fields(self) -> dict[Name, Leaf | Element]:
        """The fields of a structure, in whichever of RDF's ways it is written; the first of a name counts."""
        found: dict[Name, Leaf | Element] = {}
        waiting = [self]
        while waiting:
            one = waiting.pop(0)
            for name, leaf in one.attributes.items():
                found.setdefault(name, leaf)
            for child in one.children:
                if child.name == DESCRIPTION:
                    waiting.append(child)
                else:
                    found.setdefault(child.name, child)
        return found

    def items(self) -> list[Element]:
        """The items of a list."""
        lists = [child for child in self.children if child.name in _LISTS]
        return [item for one in lists for item in one.children if item.name == (RDF, "li")]

    @property
    def value(self) -> Leaf | None:
        """What stands in it, if that is text alone."""
        return None if self.children else Leaf("".join(self.texts), self.tag_stop, self.close)


def parse(xmp: bytes) -> Element:
    """The root of a packet.

    Raises:
        ValueError: It is not XML in UTF-8, has a document type, or is larger or deeper than any program writes.

    Example:
        >>> parse(b"<a b='1'><c/></a>").children[0].name
        ('', 'c')
    """
    refuse_large(xmp)
    data = xmp.rstrip(b"\0")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
        raise ValueError("its XMP is not UTF-8")
    return _Builder(data).root()


def edited(xmp: bytes, edits: list[Edit]) -> bytes:
    """A packet with other values; where it has room at its end, it keeps its length.

    Example:
        >>> edited(b"<a>1</a>   <?xpacket end='w'?>", [(3, 4, b"20")])
        b"<a>20</a>  <?xpacket end='w'?>"
    """
    parts, at = [], 0
    for start, stop, new in sorted(edits):
        if start < at:
            raise ValueError("its XMP names one place twice")
        parts += [xmp[at:start], new]
        at = stop
    result = b"".join([*parts, xmp[at:]])
    grown = len(result) - len(xmp)
    if grown and (end := result.rfind(b"<?xpacket end=")) >= 0:
        first = end
        while first and result[first - 1 : first].isspace():
            first -= 1
        room = end - first
        result = result[:first] + result[first:end][: max(0, room - grown)] + b" " * -min(0, grown) + result[end:]
    return result


class _Builder:
    """Expat's events, made a tree."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._open: list[Element] = []
        self._roots: list[Element] = []
        self._count = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.ordered_attributes = True
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def root(self) -> Element:
        try:
            self._parser.Parse(self._data, True)
        except (expat.ExpatError, LookupError) as error:  # the latter of an encoding that nobody knows
            raise ValueError(f"its XMP is damaged: {error}") from error
        return self._roots[0]

    def _refuse(self, *_: object) -> None:
        raise ValueError("its XMP declares a document type, as no program writes it")

    def _start(self, name: str, attributes: list[str]) -> None:
        self._count += 1
        if self._count > MOST_ELEMENTS or len(self._open) >= DEEPEST:
            raise ValueError(f"its XMP has more than {MOST_ELEMENTS:,} elements, or more than {DEEPEST} in each other")
        start = self._parser.CurrentByteIndex
        places, tag_stop = self._places(start)
        names = [_name(one) for one in attributes[::2]]
        if len(places) != len(names):
            raise ValueError("its XMP has attributes that are not understood")
        leaves = [Leaf(text, *place) for text, place in zip(attributes[1::2], places, strict=True)]
        found = dict(zip(names, leaves, strict=True))
        element = Element(_name(name), start, tag_stop, found)
        (self._open[-1].children if self._open else self._roots).append(element)
        self._open.append(element)

    def _places(self, start: int) -> tuple[list[tuple[int, int]], int]:
        """Where the values of a tag's attributes stand, without declarations of namespaces, and where the tag ends."""
        places = []
        name = _TAG_NAME.match(self._data, start)
        at = name.end() if name else start
        while found := _ATTRIBUTE.match(self._data, at):
            if found[1] != b"xmlns" and not found[1].startswith(b"xmlns:"):
                places.append(found.span(2 if found[2] is not None else 3))
            at = found.end()
        end = _TAG_END.match(self._data, at)
        if end is None:
            raise ValueError("its XMP has a tag that is not understood")
        return places, end.end()

    def _end(self, _: str) -> None:
        element = self._open.pop()
        at = self._parser.CurrentByteIndex
        alone = self._data[element.tag_stop - 2 : element.tag_stop] == b"/>"
        element.close = element.tag_stop if alone else at
        element.stop = element.tag_stop if alone else self._data.index(b">", at) + 1

    def _text(self, text: str) -> None:
        if self._open:
            self._open[-1].texts.append(text)


def _name(name: str) -> Name:
    namespace, _, local = name.rpartition(" ")
    return namespace, local
