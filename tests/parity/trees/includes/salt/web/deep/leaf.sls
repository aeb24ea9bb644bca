include:
  - ..server
  - .twig
leaf: test.nop
