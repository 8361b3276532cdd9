"""The agreement of the demo, as its people wrote it."""

NAME = "roast-delivery"
PRICE = "18.40 EUR"
KILOGRAMS = 60

CONTRACT = f"""\
contract: 1
name: {NAME}
parties: {{roaster: roast, shop: corner, carrier: wheels}}
timekeeper: wheels
sign: {{roaster: 1, shop: 1, carrier: 1}}
params:
  price: {{money: "{PRICE}"}}
  least: {{decimal: "40"}}
  most: {{decimal: "80"}}
  pay: {{duration: 14 days}}
text: >
  {{roaster}} sells roasted coffee to {{shop}} at {{price}} for each kilogram, between {{least}} and {{most}}
  kilograms. {{carrier}} delivers it and says how many kilograms it handed over; {{shop}} confirms. The
  shop then owes the roaster the price, rounded half up to cents, within {{pay}}.
facts:
  delivered:
    by: [carrier]
    confirm: [shop]
    fields:
      kilograms: {{decimal: {{least: least, most: most}}}}
lets:
  amount: round(price * delivered.kilograms, 2, half_up)
rules:
  - name: payment
    when: exists(delivered)
    then:
      - {{due: {{from: shop, to: roaster, amount: amount, within: pay}}}}
      - {{state: delivered}}
      - {{notify: [roaster, shop]}}
"""
