/* Calls a QFunction on one block of points after the other, as libCEED does. */
typedef int (*QFunction)(void *ctx, int num_points, const double *const *in, double *const *out);

void sweep(QFunction function, void *ctx, int num_blocks, int num_points, int num_repeats, int num_in,
           double **in, const int *in_sizes, int num_out, double **out, const int *out_sizes) {
  const double *block_in[8];
  double *block_out[8];
  for (int repeat = 0; repeat < num_repeats; repeat++) {
    for (long block = 0; block < num_blocks; block++) {
      for (int k = 0; k < num_in; k++) block_in[k] = in[k] + block * in_sizes[k] * num_points;
      for (int k = 0; k < num_out; k++) block_out[k] = out[k] + block * out_sizes[k] * num_points;
      function(ctx, num_points, block_in, block_out);
    }
  }
}
