base:
  '*': [web, 'glob.*']
dev:
  '*': [only]
