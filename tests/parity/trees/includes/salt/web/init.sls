include:
  - .server
  - .deep.leaf
  - glob.*
web: test.nop
