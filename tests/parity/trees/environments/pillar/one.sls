a: 1
deep: {x: 1, y: [1, 2]}
