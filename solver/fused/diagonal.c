/* d += diagonal of gradient^T . Jacobian . gradient.
 *
 * With D the 9 x 9 matrix of the Jacobian at a point, the entry of component c of node n is the sum over
 * points of dN_n/dxi_a D[c + 3 a][c + 3 b] dN_n/dxi_b: for each pair (a, b) a tensor product of
 * PRODUCTS[0] = B B, [1] = B G, [2] = G G with B the values and G the derivatives of the nodal basis.
 */
void diagonal(const Elements *elements, const real *restrict u, real *restrict d) {
  enum { N = NODES_1D, Q = POINTS_1D };
  static const int pairs[6][2] = {{0, 0}, {1, 1}, {2, 2}, {0, 1}, {0, 2}, {1, 2}};
  const long num_blocks = (elements->num_elements + LANES - 1) / LANES;
  vec entries[3][6][POINTS], nodal[3][NODES];
  (void)u;

  for (long block = 0; block < num_blocks; block++) {
    const int *offsets = elements->offsets + block * NODES * LANES;
    const Geometry geometry = geometry_of(elements, block);
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
        for (int k = 0; k < 6; k++) {
          const int a = pairs[k][0], b = pairs[k][1];
          entries[c][k][q] = a == b ? D[c + 3 * a][c + 3 * a] : D[c + 3 * a][c + 3 * b] + D[c + 3 * b][c + 3 * a];
        }
    }
    for (int c = 0; c < 3; c++) {
      for (int k = 0; k < 6; k++) {
        const real *M[3];
        vec first[Q * Q * N], second[Q * N * N];
        for (int direction = 0; direction < 3; direction++)
          M[direction] = &PRODUCTS[(pairs[k][0] == direction) + (pairs[k][1] == direction)][0][0];
        contract(Q * Q, 1, Q, N, M[0], 1, N, entries[c][k], Q, 1, 0, first, N, 1, 0, 0);
        contract(Q, N, Q, N, M[1], 1, N, first, Q * N, N, 1, second, N * N, N, 1, 0);
        contract(1, N * N, Q, N, M[2], 1, N, second, 0, N * N, 1, nodal[c], 0, N * N, 1, k > 0);
      }
    }
    scatter_add(offsets, nodal, lanes_of(elements, block), d);
  }
}
