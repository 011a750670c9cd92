
/* One element; its numbers do not matter. */
int main() {
  static real u[3 * NODES], geometry[GEOMETRY_SIZE], context[100], rest[NUM_STORED + 1], v[9 * NODES * NODES];
  static real at_points[16][100 * POINTS];
  static int offsets[NODES];
  const void *inputs[8];
  void *outputs[8];
  for (int n = 0; n < NODES; n++) offsets[n] = 3 * n;
  for (int k = 0; k < 8; k++) inputs[k] = at_points[k], outputs[k] = at_points[8 + k];
  const Elements elements = {1, offsets, geometry, inputs, outputs, context, rest};
  LOOP(&elements, u, v);
  std::printf("%ld %ld\n", operations, quotients);
}
