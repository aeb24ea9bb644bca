a: 2
deep: {z: 3, y: [3]}
