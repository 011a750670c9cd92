/* Element matrices gradient^T . Jacobian . gradient of p = 1, to [element][3 node + component][same].
 *
 * GRADIENTS[point][node][a] are the derivatives of the nodal basis by xi_a.
 */
void matrices(const Elements *elements, const real *restrict u, real *restrict v) {
  enum { SIZE = 3 * NODES };
  const long num_blocks = (elements->num_elements + LANES - 1) / LANES;
  vec matrix[SIZE][SIZE];
  (void)u;

  for (long block = 0; block < num_blocks; block++) {
    const Geometry geometry = geometry_of(elements, block);
    for (int i = 0; i < SIZE; i++)
      for (int j = 0; j < SIZE; j++) matrix[i][j] = (vec){0};
    for (int q = 0; q < POINTS; q++) {
      vec qdata[10], memory[NUM_STORED + 1], D[9][9];
      const real *in[2 + num_inputs + 1];
      in[1] = qdata_at(geometry, q, qdata);
      read_inputs(elements, block, q, in + 2, memory);
      for (int j = 0; j < 9; j++) {
        vec unit[9] = {{0}};
        real *out[] = {(real *)D[j]};
        unit[j] = unit[j] + 1;
        in[0] = (const real *)unit;
        FUNCTION((void *)elements->context, LANES, in, out);
      }
      for (int c = 0; c < 3; c++)
        for (int e = 0; e < 3; e++)
          for (int n = 0; n < NODES; n++) {
            const real *G = GRADIENTS[q][n];
            vec row[3]; /* of G D: D[column][row] */
            UNROLL for (int b = 0; b < 3; b++)
              row[b] = G[0] * D[e + 3 * b][c] + G[1] * D[e + 3 * b][c + 3] + G[2] * D[e + 3 * b][c + 6];
            for (int m = 0; m < NODES; m++)
              matrix[3 * n + c][3 * m + e] += row[0] * GRADIENTS[q][m][0] + row[1] * GRADIENTS[q][m][1] + row[2] * GRADIENTS[q][m][2];
          }
    }
    const int num_lanes = lanes_of(elements, block);
    for (int l = 0; l < num_lanes; l++)
      for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) v[((block * LANES + l) * SIZE + i) * SIZE + j] = matrix[i][j][l];
  }
}
