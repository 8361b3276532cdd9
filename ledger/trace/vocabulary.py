"""The words of the Core Business Vocabulary 2.0 and the namespaces behind them, as tables of our own.

A standard word may be written bare (`shipping`), with a prefix (`cbv:BizStep-shipping`), as a web
address, or, in older data, as a URN; `expand` gives the web address for all of them. Nothing is fetched.
"""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CBV: Final = "https://ref.gs1.org/cbv/"
GS1: Final = "https://gs1.org/voc/"

# What the standard's own context binds; a document may bind them anew.
STANDARD_PREFIXES: Final[dict[str, str]] = {
    "cbv": CBV,
    "cbvmda": "urn:epcglobal:cbv:mda",
    "epcis": "https://ref.gs1.org/epcis/",
    "gs1": GS1,
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
}

BIZ_STEP: Final = CBV + "BizStep-"
DISPOSITION: Final = CBV + "Disp-"
TRANSACTION_TYPE: Final = CBV + "BTT-"
PARTY_TYPE: Final = CBV + "SDT-"
ERROR_REASON: Final = CBV + "ER-"
COMPONENT: Final = CBV + "Comp-"

OLD_URNS: Final[dict[str, str]] = {
    "urn:epcglobal:cbv:bizstep:": BIZ_STEP,
    "urn:epcglobal:cbv:disp:": DISPOSITION,
    "urn:epcglobal:cbv:btt:": TRANSACTION_TYPE,
    "urn:epcglobal:cbv:sdt:": PARTY_TYPE,
    "urn:epcglobal:cbv:er:": ERROR_REASON,
}

ACTIONS: Final = frozenset({"ADD", "OBSERVE", "DELETE"})
BIZ_STEPS: Final = _words(
    """accepting arriving assembling collecting commissioning consigning creating_class_instance
    cycle_counting decommissioning departing destroying disassembling dispensing encoding entering_exiting
    holding inspecting installing killing loading other packing picking receiving removing repackaging
    repairing replacing reserving retail_selling sampling sensor_reporting shipping staging_outbound
    stock_taking stocking storing transporting unloading unpacking void_shipping"""
)
DISPOSITIONS: Final = _words(
    """active available completeness_inferred completeness_verified conformant container_closed
    container_open damaged destroyed dispensed disposed encoded expired in_progress in_transit inactive
    mismatch_class mismatch_instance mismatch_quantity needs_replacement no_pedigree_match non_conformant
    non_sellable_other partially_dispensed recalled reserved retail_sold returned sellable_accessible
    sellable_not_accessible stolen unavailable unknown"""
)
TRANSACTION_TYPES: Final = _words(
    "bol cert desadv inv pedigree po poc prodorder recadv rma testprd testres upevt"
)
PARTY_TYPES: Final = frozenset({"owning_party", "possessing_party", "location"})
ERROR_REASONS: Final = frozenset({"did_not_occur", "incorrect_data"})
ALARMS: Final = frozenset({"ALARM_CONDITION", "ERROR_CONDITION"})
COMPONENTS: Final = _words(
    """altitude axial_distance azimuth easting elevation_angle height latitude longitude northing
    polar_angle spherical_radius x y z"""
)
MEASUREMENTS: Final = _words(
    """AbsoluteHumidity AbsorbedDose AbsorbedDoseRate Acceleration Altitude AmountOfSubstance
    AmountOfSubstancePerUnitVolume Angle AngularAcceleration AngularMomentum AngularVelocity Area Capacitance
    Conductance Conductivity Count Density Dimensionless DoseEquivalent DoseEquivalentRate DynamicViscosity
    ElectricCharge ElectricCurrent ElectricCurrentDensity ElectricFieldStrength Energy Exposure Force
    Frequency Illuminance Inductance Irradiance KinematicViscosity Length LinearMomentum Luminance
    LuminousFlux LuminousIntensity MagneticFlux MagneticFluxDensity MagneticVectorPotential Mass
    MassConcentration MassFlowRate MassPerAreaTime MemoryCapacity MolalityOfSolute MolarEnergy MolarMass
    MolarVolume Power Pressure RadiantFlux RadiantIntensity Radioactivity RelativeHumidity Resistance
    Resistivity SolidAngle SpecificVolume Speed SurfaceDensity SurfaceTension Temperature Time Torque Voltage
    Volume VolumeFlowRate VolumeFraction VolumetricFlux Wavenumber"""
)


def expand(word: str, base: str) -> str:
    """The web address of a word that stands where `base` is the standard's list; own addresses unchanged."""
    if ":" not in word:
        return base + word
    prefix, _, name = word.partition(":")
    if prefix == "cbv" or prefix == "gs1":
        return STANDARD_PREFIXES[prefix] + name
    return modern(word)


def modern(word: str) -> str:
    """The web address of a standard word that is written as a URN of older versions."""
    if word.startswith("urn:epcglobal:cbv:"):
        for urn, base in OLD_URNS.items():
            if word.startswith(urn):
                return base + word[len(urn) :]
    return word


def plain(word: str, base: str) -> str:
    """The bare word of the standard's list, for people; own addresses unchanged."""
    return expand(word, base).removeprefix(base)
