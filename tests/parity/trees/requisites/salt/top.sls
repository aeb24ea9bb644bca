base:
  '*':
    - forms
    - in
    - names
  'minion':
    - order
