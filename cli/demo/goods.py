"""What happens to the goods of the demo, as EPCIS 2.0 documents: from three plots to a shop's counter.

    plots H-1, H-2 ──► green lot G-1 ──► sacks 1..4 ─┐
    plot  H-3      ──► green lot G-2 ──► sacks 5, 6 ─┴─► roasts R-7 (sacks 1..5), R-8 (sack 6)
                                                          R-7 ──► boxes 1..3 ──► the shop's counter

Sacks travel on two pallets from the grower to the roaster, boxes on one from the roaster to the shop.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cli.demo.firms import CORNER, FINCA, ROAST, WHEELS, Firm

CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"

CHERRIES, GREEN, SACK = 1, 2, 3
ROASTED = 1

SHOP_LOT = ROAST.lot(ROASTED, "R-7")
FARM_LOT = FINCA.lot(CHERRIES, "H-3")

_HARVESTS = {"H-1": 420, "H-2": 380, "H-3": 310}
_SACKS_G1 = [FINCA.item(SACK, serial) for serial in (1, 2, 3, 4)]
_SACKS_G2 = [FINCA.item(SACK, serial) for serial in (5, 6)]
_PALLETS = {FINCA.pallet(1): _SACKS_G1, FINCA.pallet(2): _SACKS_G2}
_BOXES = [ROAST.pallet(serial) for serial in (11, 12, 13)]
_SHOP_PALLET = ROAST.pallet(20)

Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """A document that a firm captures: the file's name, what it tells, and its events."""

    firm: Firm
    file: str
    tells: str
    events: tuple[Event, ...]

    def text(self) -> str:
        """The EPCIS document."""
        document = {
            "@context": [CONTEXT],
            "type": "EPCISDocument",
            "schemaVersion": "2.0",
            "creationDate": self.events[-1]["eventTime"],
            "epcisBody": {"eventList": list(self.events)},
        }
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def harvest() -> Papers:
    """Picking, washing, drying, filling sacks."""
    events = [
        _object(
            FINCA,
            f"2026-03-0{day}T16:00:00Z",
            "commissioning",
            [_amount(FINCA.lot(CHERRIES, lot), kilograms)],
            action="ADD",
            disposition="active",
        )
        for day, (lot, kilograms) in enumerate(_HARVESTS.items(), 2)
    ]
    events += [
        _object(
            FINCA, f"2026-03-0{day}T17:30:00Z", "inspecting", [_amount(FINCA.lot(CHERRIES, lot), kilograms)]
        )
        for day, (lot, kilograms) in enumerate(_HARVESTS.items(), 2)
    ]
    events += [
        _made(FINCA, "2026-03-19T12:00:00Z", {"H-1": 420, "H-2": 380}, "G-1", 148),
        _made(FINCA, "2026-03-20T12:00:00Z", {"H-3": 310}, "G-2", 57),
        _filled("2026-03-23T09:00:00Z", _SACKS_G1, "G-1"),
        _filled("2026-03-23T10:00:00Z", _SACKS_G2, "G-2"),
    ]
    return Papers(
        firm=FINCA,
        file="harvest.json",
        tells="three plots picked, washed and dried into two green lots, six sacks filled",
        events=tuple(events),
    )


def shipment() -> Papers:
    """Sacks onto pallets, pallets to the carrier."""
    events = [
        _packed(FINCA, f"2026-03-24T0{8 + i}:00:00Z", pallet, {"childEPCs": sacks})
        for i, (pallet, sacks) in enumerate(_PALLETS.items())
    ]
    events += [
        _object(FINCA, f"2026-03-24T1{i}:30:00Z", "shipping", [pallet], to=ROAST, disposition="in_transit")
        for i, pallet in enumerate(_PALLETS)
    ]
    return Papers(
        firm=FINCA,
        file="shipment.json",
        tells="the sacks packed on two pallets and shipped",
        events=tuple(events),
    )


def freight() -> Papers:
    """The carrier's way from the grower to the roaster."""
    return Papers(
        firm=WHEELS,
        file="freight.json",
        tells="both pallets loaded, at sea, unloaded",
        events=tuple(
            _object(WHEELS, time, step, [pallet], disposition="in_transit")
            for pallet in _PALLETS
            for time, step in (
                ("2026-03-24T15:00:00Z", "loading"),
                ("2026-03-25T06:00:00Z", "transporting"),
                ("2026-04-18T11:00:00Z", "unloading"),
            )
        ),
    )


def roasting() -> Papers:
    """Pallets in, sacks out, two roasts."""
    events = [
        _object(ROAST, f"2026-04-20T0{8 + i}:00:00Z", "receiving", [pallet], disposition="in_progress")
        for i, pallet in enumerate(_PALLETS)
    ]
    events += [
        _packed(ROAST, f"2026-04-20T1{i}:00:00Z", pallet, {"childEPCs": sacks}, action="DELETE")
        for i, (pallet, sacks) in enumerate(_PALLETS.items())
    ]
    events += [
        _object(
            ROAST, "2026-04-21T08:00:00Z", "inspecting", [*_SACKS_G1, *_SACKS_G2], disposition="conformant"
        ),
        _roasted("2026-04-22T07:00:00Z", [*_SACKS_G1, _SACKS_G2[0]], "R-7", 132),
        _roasted("2026-04-22T13:00:00Z", _SACKS_G2[1:], "R-8", 26),
        _object(
            ROAST,
            "2026-04-23T09:00:00Z",
            "inspecting",
            [_amount(SHOP_LOT, 132), _amount(ROAST.lot(ROASTED, "R-8"), 26)],
            disposition="conformant",
        ),
    ]
    return Papers(
        firm=ROAST,
        file="roasting.json",
        tells="the pallets received, the sacks roasted",
        events=tuple(events),
    )


def boxes() -> Papers:
    """The roast into boxes, the boxes onto a pallet, the pallet to the carrier."""
    events = [
        _packed(ROAST, f"2026-04-27T0{7 + i}:00:00Z", box, {"childQuantityList": [_amount(SHOP_LOT, 20)]})
        for i, box in enumerate(_BOXES)
    ]
    events += [
        _packed(ROAST, "2026-04-27T11:00:00Z", _SHOP_PALLET, {"childEPCs": _BOXES}),
        _object(
            ROAST, "2026-04-27T12:00:00Z", "shipping", [_SHOP_PALLET], to=CORNER, disposition="in_transit"
        ),
    ]
    return Papers(
        firm=ROAST,
        file="boxes.json",
        tells="60 kg of the roast packed in three boxes and shipped",
        events=tuple(events),
    )


def delivery() -> Papers:
    """The carrier's way from the roaster to the shop."""
    return Papers(
        firm=WHEELS,
        file="delivery.json",
        tells="the boxes loaded, driven, handed over",
        events=tuple(
            _object(WHEELS, time, step, [_SHOP_PALLET], disposition="in_transit")
            for time, step in (
                ("2026-04-27T13:00:00Z", "loading"),
                ("2026-04-27T15:00:00Z", "transporting"),
                ("2026-04-28T08:00:00Z", "unloading"),
            )
        ),
    )


def counter() -> Papers:
    """The shop unpacks and sells."""
    events = [
        _object(CORNER, "2026-04-28T08:30:00Z", "receiving", [_SHOP_PALLET], disposition="in_progress"),
        _packed(CORNER, "2026-04-28T09:00:00Z", _SHOP_PALLET, {"childEPCs": _BOXES}, action="DELETE"),
    ]
    for i, box in enumerate(_BOXES):
        unpacked = {"childQuantityList": [_amount(SHOP_LOT, 20)]}
        events.append(_packed(CORNER, f"2026-04-28T1{i}:00:00Z", box, unpacked, action="DELETE"))
    events.append(
        _object(
            CORNER,
            "2026-04-29T07:00:00Z",
            "stocking",
            [_amount(SHOP_LOT, 60)],
            disposition="sellable_accessible",
        )
    )
    events += [
        _object(CORNER, f"2026-04-30T{hour}:00:00Z", "retail_selling", [_amount(SHOP_LOT, kilograms)],
                disposition="retail_sold")
        for hour, kilograms in (("08", 3), ("11", 5), ("15", 2))
    ]  # fmt: skip
    return Papers(
        firm=CORNER,
        file="counter.json",
        tells="the boxes received, unpacked, and sold from",
        events=tuple(events),
    )


def _object(
    firm: Firm,
    time: str,
    step: str,
    things: Sequence[str | Event],
    *,
    action: str = "OBSERVE",
    disposition: str = "in_progress",
    to: Firm | None = None,
) -> Event:
    items = [thing for thing in things if isinstance(thing, str)]
    amounts = [thing for thing in things if not isinstance(thing, str)]
    event: Event = _common("ObjectEvent", firm, time, step, disposition) | {"action": action}
    if items:
        event["epcList"] = items
    if amounts:
        event["quantityList"] = amounts
    if to is not None:
        event["sourceList"] = [{"type": "possessing_party", "source": firm.party}]
        event["destinationList"] = [{"type": "possessing_party", "destination": to.party}]
    return event


def _packed(firm: Firm, time: str, parent: str, children: Event, *, action: str = "ADD") -> Event:
    step = "packing" if action == "ADD" else "unpacking"
    common = _common("AggregationEvent", firm, time, step, "in_progress")
    return common | {"action": action, "parentID": parent, **children}


def _made(firm: Firm, time: str, used: dict[str, int], lot: str, kilograms: int) -> Event:
    return _common("TransformationEvent", firm, time, "commissioning", "active") | {
        "inputQuantityList": [_amount(firm.lot(CHERRIES, name), weight) for name, weight in used.items()],
        "outputQuantityList": [_amount(firm.lot(GREEN, lot), kilograms)],
    }


def _filled(time: str, sacks: list[str], lot: str) -> Event:
    return _common("TransformationEvent", FINCA, time, "repackaging", "active") | {
        "inputQuantityList": [_amount(FINCA.lot(GREEN, lot), 28 * len(sacks))],
        "outputEPCList": sacks,
    }


def _roasted(time: str, sacks: Sequence[str], lot: str, kilograms: int) -> Event:
    return _common("TransformationEvent", ROAST, time, "commissioning", "active") | {
        "inputEPCList": list(sacks),
        "outputQuantityList": [_amount(ROAST.lot(ROASTED, lot), kilograms)],
    }


def _common(kind: str, firm: Firm, time: str, step: str, disposition: str) -> Event:
    return {
        "type": kind,
        "eventTime": time,
        "eventTimeZoneOffset": "+00:00",
        "bizStep": step,
        "disposition": disposition,
        "readPoint": {"id": firm.place},
    }


def _amount(lot: str, kilograms: int) -> Event:
    return {"epcClass": lot, "quantity": kilograms, "uom": "KGM"}
