"""The four firms of the demo, and the names by which they call their goods and places.

Everything is named by GS1 Digital Links, with true check digits; the firms and their numbers are made up.
"""

from __future__ import annotations

from dataclasses import dataclass

GS1 = "https://id.gs1.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Firm:
    """A firm: its short name (also the folder of its home), what it is called, and its GS1 number."""

    name: str
    title: str
    trade: str
    prefix: str
    person: str

    @property
    def place(self) -> str:
        """Where it works."""
        return f"{GS1}/414/{with_check_digit(self.prefix + '00001')}"

    @property
    def party(self) -> str:
        """Itself, as a party to a shipment."""
        return f"{GS1}/417/{with_check_digit(self.prefix + '00000')}"

    def product(self, number: int) -> str:
        """The GTIN of a product."""
        return f"{GS1}/01/{with_check_digit(f'0{self.prefix}{number:05d}')}"

    def lot(self, product: int, lot: str) -> str:
        """A lot of a product."""
        return f"{self.product(product)}/10/{lot}"

    def item(self, product: int, serial: int) -> str:
        """A single item, such as a sack."""
        return f"{self.product(product)}/21/{serial}"

    def pallet(self, serial: int) -> str:
        """A pallet or a box (SSCC)."""
        return f"{GS1}/00/{with_check_digit(f'0{self.prefix}{serial:09d}')}"


def with_check_digit(digits: str) -> str:
    """Digits with GS1's check digit behind them."""
    weighed = sum(int(digit) * (3 if i % 2 == 0 else 1) for i, digit in enumerate(reversed(digits)))
    return f"{digits}{-weighed % 10}"


FINCA = Firm(name="finca", title="Finca La Esperanza", trade="grower", prefix="7701234", person="ana")
ROAST = Firm(name="roast", title="Rösterei Nord", trade="roaster", prefix="4012345", person="berta")
WHEELS = Firm(name="wheels", title="Weser Wheels", trade="carrier", prefix="4098765", person="carl")
CORNER = Firm(name="corner", title="Corner Coffee", trade="shop", prefix="4054321", person="dora")
FIRMS = (FINCA, ROAST, WHEELS, CORNER)
