/* What the residual stores for the Jacobian, at points of its own.
 *
 * These may be fewer than nodes: the gradient is exact all the same.
 */
void state(const Elements *elements, const real *restrict u, real *restrict v) {
  const real *B = &INTERPOLATION[0][0], *G = &GRADIENT[0][0];
  const long num_blocks = (elements->num_elements + LANES - 1) / LANES;
  (void)v;

  for (long block = 0; block < num_blocks; block++) {
    const int *offsets = elements->offsets + block * NODES * LANES;
    const Geometry geometry = geometry_of(elements, block);
    vec nodal[3][NODES], gradient[POINTS][9];
    gather(offsets, u, nodal);
    for (int c = 0; c < 3; c++) differentiate(NODES_1D, B, G, nodal[c], gradient, c);
    for (int q = 0; q < POINTS; q++) {
      vec qdata[10];
      at_point(elements, qdata_at(geometry, q, qdata), block, q, gradient[q]);
    }
  }
}
