base:
  '*': [broken, missing]
