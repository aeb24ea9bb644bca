base:
  '*': [one, two, inc]
  'roles:web': [{match: grain}, web]
  'other': [nope]
  'E@min.*': [regex]
dev:
  '*': [devdata]
