include:
  - inc.more
  - inc.keyed:
      key: under:here
      defaults: {d: 5}
  - .relative
own: 1
more: overridden
