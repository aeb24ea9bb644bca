include: [web]
exclude:
  - id: twig
  - sls: glob.b
  - leaf
