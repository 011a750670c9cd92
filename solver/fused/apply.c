/* v += gradient^T . QFunction . gradient . u, and what else the QFunction writes.
 *
 * The gradient is that of the polynomial through the values at the points, which is u itself where there
 * are as many points as nodes in each direction.
 *
 * Derivatives by xi_1 and xi_2 are made plane by plane, so that they stay in the nearest cache; those by
 * xi_3 and the values wait in arrays, where the results take their places.
 */
enum { PLANE = POINTS_1D * POINTS_1D };

void apply(const Elements *elements, const real *restrict u, real *restrict v) {
  enum { Q = POINTS_1D };
  const real *B = &INTERPOLATION[0][0], *D = &DERIVATIVE[0][0];
  const long num_blocks = (elements->num_elements + LANES - 1) / LANES;
  vec nodal[3][NODES], values[3][POINTS], third[3][POINTS];

  for (long block = 0; block < num_blocks; block++) {
    const int *offsets = elements->offsets + block * NODES * LANES;
    const Geometry geometry = geometry_of(elements, block);
    gather(offsets, u, nodal);
    for (int c = 0; c < 3; c++) {
      interpolate(NODES_1D, B, B, B, nodal[c], values[c]);
      contract(1, PLANE, Q, Q, D, Q, 1, values[c], 0, PLANE, 1, third[c], 0, PLANE, 1, 0);
    }
    for (int start = 0; start < POINTS; start += PLANE) {
      vec first[3][PLANE], second[3][PLANE], memory[PLANE][10];
      const real *qdata[PLANE];
      for (int c = 0; c < 3; c++) {
        const vec *plane = values[c] + start;
        contract(Q, 1, Q, Q, D, Q, 1, plane, Q, 1, 0, first[c], Q, 1, 0, 0);
        contract(1, Q, Q, Q, D, Q, 1, plane, 0, Q, 1, second[c], 0, Q, 1, 0);
      }
      /* In a loop of its own: a processor then works on several points at once. */
      for (int j = 0; j < PLANE; j++) qdata[j] = qdata_at(geometry, start + j, memory[j]);
      for (int j = 0; j < PLANE; j++) {
        const int q = start + j;
        vec gradient[9]; /* component c + 3 d: derivative of u_c by xi_d */
        UNROLL for (int c = 0; c < 3; c++) {
          gradient[c] = first[c][j];
          gradient[c + 3] = second[c][j];
          gradient[c + 6] = third[c][q];
        }
        at_point(elements, qdata[j], block, q, gradient);
        UNROLL for (int c = 0; c < 3; c++) {
          first[c][j] = gradient[c];
          second[c][j] = gradient[c + 3];
          third[c][q] = gradient[c + 6];
        }
      }
      for (int c = 0; c < 3; c++) {
        vec *plane = values[c] + start;
        contract(Q, 1, Q, Q, D, 1, Q, first[c], Q, 1, 0, plane, Q, 1, 0, 0);
        contract(1, Q, Q, Q, D, 1, Q, second[c], 0, Q, 1, plane, 0, Q, 1, 1);
      }
    }
    if (GEOMETRY_NODES_1D != 0) prefetch(elements->geometry + block * GEOMETRY_SIZE * LANES, GEOMETRY_SIZE, GEOMETRY_SIZE);
    for (int c = 0; c < 3; c++) {
      contract(1, PLANE, Q, Q, D, 1, Q, third[c], 0, PLANE, 1, values[c], 0, PLANE, 1, 1);
      interpolate_transposed(NODES_1D, B, values[c], nodal[c]);
    }
    scatter_add(offsets, nodal, lanes_of(elements, block), v);
  }
}
