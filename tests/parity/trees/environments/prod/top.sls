prod:
  'minion': [q]
