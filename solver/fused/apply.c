/* v += gradient^T . QFunction . gradient . u, and what else the QFunction writes.
 *
 * INPUTS and OUTPUTS are the components of its arrays beside gradients and qdata, of which the first
 * NUM_KEPT outputs are kept.  Without ADDS the gradient that it returns is not used, and v neither.
 *
 * Derivatives by xi_1 and xi_2 are made plane by plane, so that they stay in the nearest cache; those by
 * xi_3 and the values wait in arrays, where the results take their places.
 */
enum { PLANE = POINTS_1D * POINTS_1D };
static const int input_sizes[] = {INPUTS 0}, output_sizes[] = {OUTPUTS 0};
enum { num_inputs = sizeof input_sizes / sizeof(int) - 1, num_outputs = sizeof output_sizes / sizeof(int) - 1 };

/* The QFunction at point q of a block; the gradient is overwritten by the result. */
INLINE void at_point(const Elements *elements, const Geometry *geometry, long block, int q, vec gradient[9]) {
  const long point = block * POINTS + q;
  vec qdata[10], result[9], written[NUM_WRITTEN + 1];
  const real *in[2 + num_inputs + 1];
  real *out[1 + num_outputs + 1];
  in[0] = (const real *)gradient;
  in[1] = qdata_at(*geometry, q, qdata);
  if (GEOMETRY_NODES_1D == 0) prefetch(in[1], 10, 10 * POINTS);
  UNROLL for (int k = 0; k < num_inputs; k++) {
    in[2 + k] = elements->inputs[k] + point * input_sizes[k] * LANES;
    prefetch(in[2 + k], input_sizes[k], input_sizes[k] * POINTS);
  }
  out[0] = (real *)result;
  int size = 0;
  UNROLL for (int k = 0; k < num_outputs; size += output_sizes[k++]) out[1 + k] = (real *)&written[size];
  FUNCTION((void *)elements->context, LANES, in, out);
  UNROLL for (int k = 0; k < NUM_KEPT; k++) {
    real *target = (real *)elements->outputs[k] + point * output_sizes[k] * LANES;
    CeedPragmaSIMD for (int j = 0; j < output_sizes[k] * LANES; j++) target[j] = out[1 + k][j];
  }
  UNROLL for (int k = 0; k < 9; k++) gradient[k] = result[k];
}

void apply(const Elements *elements, const real *restrict u, real *restrict v) {
  enum { Q = POINTS_1D };
  const real *B = &INTERPOLATION[0][0], *D = &DERIVATIVE[0][0];
  const long num_blocks = (elements->num_elements + LANES - 1) / LANES;
  vec nodal[NODES], values[3][POINTS], third[3][POINTS];

  for (long block = 0; block < num_blocks; block++) {
    const int *offsets = elements->offsets + block * NODES * LANES;
    const Geometry geometry = geometry_of(elements, block);
    for (int c = 0; c < 3; c++) {
      gather(offsets, u, c, nodal);
      interpolate(NODES_1D, B, nodal, values[c]);
      contract(1, PLANE, Q, Q, D, Q, 1, values[c], 0, PLANE, 1, third[c], 0, PLANE, 1, 0);
    }
    for (int start = 0; start < POINTS; start += PLANE) {
      vec first[3][PLANE], second[3][PLANE];
      for (int c = 0; c < 3; c++) {
        const vec *plane = values[c] + start;
        contract(Q, 1, Q, Q, D, Q, 1, plane, Q, 1, 0, first[c], Q, 1, 0, 0);
        contract(1, Q, Q, Q, D, Q, 1, plane, 0, Q, 1, second[c], 0, Q, 1, 0);
      }
      for (int j = 0; j < PLANE; j++) {
        const int q = start + j;
        vec gradient[9]; /* component c + 3 d: derivative of u_c by xi_d */
        UNROLL for (int c = 0; c < 3; c++) {
          gradient[c] = first[c][j];
          gradient[c + 3] = second[c][j];
          gradient[c + 6] = third[c][q];
        }
        at_point(elements, &geometry, block, q, gradient);
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
    for (int c = 0; ADDS && c < 3; c++) {
      contract(1, PLANE, Q, Q, D, 1, Q, third[c], 0, PLANE, 1, values[c], 0, PLANE, 1, 1);
      interpolate_transposed(NODES_1D, B, values[c], nodal);
      scatter_add(offsets, nodal, c, lanes_of(elements, block), v);
    }
  }
}
