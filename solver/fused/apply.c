/* v += gradient^T . QFunction . gradient . u, and what else the QFunction writes.
 *
 * INPUTS and OUTPUTS are the components of its arrays beside gradients and qdata, of which the first
 * NUM_KEPT outputs are kept.  Without ADDS the gradient that it returns is not used, and v neither.
 */
void apply(const Elements *elements, const real *restrict u, real *restrict v) {
  static const int input_sizes[] = {INPUTS 0}, output_sizes[] = {OUTPUTS 0};
  enum { num_inputs = sizeof input_sizes / sizeof(int) - 1, num_outputs = sizeof output_sizes / sizeof(int) - 1 };
  const long num_blocks = (elements->num_elements + LANES - 1) / LANES;
  vec gradient[POINTS][9];

  for (long block = 0; block < num_blocks; block++) {
    const int *offsets = elements->offsets + block * NODES * LANES;
    const Geometry geometry = geometry_of(elements, block);
    gradient_of(offsets, u, gradient);
    for (int q = 0; q < POINTS; q++) {
      const long point = block * POINTS + q;
      vec qdata[10], result[9], written[NUM_WRITTEN + 1];
      const real *in[2 + num_inputs + 1];
      real *out[1 + num_outputs + 1];
      in[0] = (const real *)gradient[q];
      in[1] = qdata_at(geometry, q, qdata);
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
      UNROLL for (int k = 0; k < 9; k++) gradient[q][k] = result[k];
    }
    if (GEOMETRY_NODES_1D != 0) prefetch(elements->geometry + block * GEOMETRY_SIZE * LANES, GEOMETRY_SIZE, GEOMETRY_SIZE);
    if (ADDS) add_divergence(gradient, offsets, lanes_of(elements, block), v);
  }
}
