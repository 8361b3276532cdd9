"""A contract whose claims may not pass a cap together, each with two to confirm it. Not a test module."""

from __future__ import annotations

CAPPED = b"""
contract: 1
name: capped
parties: {seller: acme, buyer: bolt, judge: dart}
timekeeper: port
params: {cap: {integer: 10}}
text: "{seller} claims of {buyer} at most {cap} in all; {buyer} and {judge} confirm."
facts:
  claimed:
    by: [seller]
    confirm: [buyer, judge]
    max: 20
    fields: {amount: {integer: {least: 1}}}
    when: sum(claimed, claimed.amount) + claimed.amount <= cap
  hurried: {by: [seller], max: 20, fields: {amount: integer}, when: hurried.amount < cap}
rules:
  - name: told
    when: sum(claimed, claimed.amount) + sum(hurried, hurried.amount) > cap
    then: [{notify: [buyer]}]
"""
