base:
  '*': [ignored]
dev:
  '*': [other]
prod:
  '*': [p]
