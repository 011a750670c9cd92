/* Products of small matrices with vectors; the words are those of passes, see solver/cycle.c. */

/* y += A x for a matrix of 6 x 6 blocks with `width` of them in each row, -1 for none:
 * columns [place][block row], values [place][column][row], so that neighbouring threads read
 * neighbouring numbers. */
ENTRY void add_block_rows(Size n, const int *restrict columns, const real *restrict values,
                          const real *restrict x, real *restrict y, double width) {
  EACH {
    real sum = 0;
    for (Size k = 0; k < (Size)width; ++k) {
      const Size column = columns[k * (n / 6) + i / 6];
      if (column >= 0)
        for (int c = 0; c < 6; ++c) sum += values[(6 * k + c) * n + i] * x[6 * column + c];
    }
    y[i] += sum;
  }
}

/* y = A x for a full symmetric matrix. */
ENTRY void multiply_full(Size n, const real *restrict A, const real *restrict x, real *restrict y) {
  EACH {
    real sum = 0;
    for (Size j = 0; j < n; ++j) sum += A[j * n + i] * x[j];
    y[i] = sum;
  }
}
