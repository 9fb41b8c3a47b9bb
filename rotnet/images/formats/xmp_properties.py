"""Single values of an XMP packet, such as an orientation, read and written; everything else of it stays."""

from __future__ import annotations

from collections.abc import Mapping

from rotnet.images.formats.xmp_tree import DESCRIPTION, RDF, Edit, Element, Leaf, Name, edited, parse

__all__ = ["EMPTY", "properties", "with_properties"]

EMPTY = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="rotnet">
 <rdf:RDF xmlns:rdf="{RDF}">
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
""".encode()
"""A packet that says nothing."""

_ABOUT: Name = (RDF, "about")


def properties(xmp: bytes) -> dict[Name, str]:
    """The values that are plain text, by namespace and name.

    Raises:
        ValueError: The packet is damaged, see `rotnet.images.formats.xmp_tree.parse`.

    Example:
        >>> properties(with_properties(EMPTY, {("space:", "Side"): "left"}, {"space:": "s"}))
        {('space:', 'Side'): 'left'}
    """
    leaves = _leaves(_root(parse(xmp)))
    return {name: leaf.text.strip() for name, leaf in leaves.items()}


def with_properties(xmp: bytes, values: Mapping[Name, str], prefixes: Mapping[str, str]) -> bytes:
    """A packet with these values, each written where it stood, the others in a description of their own.

    Args:
        xmp: The packet.
        values: Text in ASCII that needs no escape, by namespace and name.
        prefixes: A prefix for each namespace.

    Raises:
        ValueError: The packet is damaged, or has no place for them.
    """
    from xml.sax.saxutils import quoteattr  # which brings the clients of the network along

    root = _root(parse(xmp))
    leaves = _leaves(root)
    edits: list[Edit] = [leaves[name].to(value) for name, value in values.items() if name in leaves]
    new = {name: value for name, value in values.items() if name not in leaves}
    if new:
        if root.close == root.tag_stop:
            raise ValueError("its XMP is an empty element, in which nothing has a place")
        abouts = [child.attributes[_ABOUT].text for child in root.children if _ABOUT in child.attributes]
        spaces = "".join(f'\n   xmlns:{prefixes[space]}="{space}"' for space in dict.fromkeys(name[0] for name in new))
        told = "".join(f'\n   {prefixes[space]}:{name}="{value}"' for (space, name), value in new.items())
        about = quoteattr(abouts[0] if abouts else "")
        text = f'<rdf:Description xmlns:rdf="{RDF}" rdf:about={about}{spaces}{told}/>\n'
        edits.append((root.close, root.close, text.encode()))
    return edited(xmp, edits)


def _root(tree: Element) -> Element:
    for element in tree.all():
        if element.name == (RDF, "RDF"):
            return element
    raise ValueError("its XMP has no RDF in it")


def _leaves(root: Element) -> dict[Name, Leaf]:
    found: dict[Name, Leaf] = {}
    for description in (child for child in root.children if child.name == DESCRIPTION):
        for name, field in description.fields().items():
            leaf = field.value if isinstance(field, Element) else field
            if leaf is not None and name[0] != RDF:
                found.setdefault(name, leaf)
    return found
