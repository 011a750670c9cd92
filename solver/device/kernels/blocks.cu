/* Products of matrices of 6 x 6 blocks with vectors; the words are those of passes, see solver/cycle.c. */

/* y += A x, with `width` blocks in each row, -1 for none: columns [place][block row], values
 * [place][column][row], so that neighbouring threads read neighbouring numbers.  The first num_own block
 * columns are those of x, the others those of its ghosts. */
ENTRY void add_block_rows(Size n, const int *restrict columns, const real *restrict values,
                          const real *restrict x, const real *restrict ghosts, real *restrict y,
                          double width, double num_own) {
  EACH {
    real sum = 0;
    for (Size k = 0; k < (Size)width; ++k) {
      const Size column = columns[k * (n / 6) + i / 6], ghost = column - (Size)num_own;
      if (column < 0) break;
      const real *block = ghost < 0 ? x + 6 * column : ghosts + 6 * ghost;
      for (int c = 0; c < 6; ++c) sum += values[(6 * k + c) * n + i] * block[c];
    }
    y[i] += sum;
  }
}

/* x[positions] = values. */
ENTRY void put(Size n, const int *restrict positions, const real *restrict values, real *restrict x) {
  EACH x[positions[i]] = values[i];
}
