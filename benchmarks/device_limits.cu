/* What a device can do: reading memory, multiply-adds, reading shared memory.
 *
 * Results are written only where they are a number that they never are, so that no compiler leaves
 * the work out.
 */

#define NEVER 0.123456789

/* Each of so many numbers is read once, by neighbouring threads side by side. */
extern "C" __global__ void read_memory(const double *x, long long size, double *y) {
  const long long step = (long long)gridDim.x * blockDim.x;
  double sums[4] = {0.0, 0.0, 0.0, 0.0};
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += 4 * step) {
#pragma unroll
    for (int k = 0; k < 4; k++)
      if (i + k * step < size) sums[k] += x[i + k * step];
  }
  const double sum = sums[0] + sums[1] + sums[2] + sums[3];
  if (sum == NEVER) y[0] = sum;
}

/* Eight fused multiply-adds a cycle and thread, none of which waits for another. */
template <typename T> __device__ T multiply_adds(long long cycles, T factor, T start) {
  T sums[8];
#pragma unroll
  for (int k = 0; k < 8; k++) sums[k] = start + (T)k;
  for (long long cycle = 0; cycle < cycles; cycle++) {
#pragma unroll
    for (int k = 0; k < 8; k++) sums[k] = sums[k] * factor + start;
  }
  T sum = 0;
#pragma unroll
  for (int k = 0; k < 8; k++) sum += sums[k];
  return sum;
}

extern "C" __global__ void multiply_add_double(long long cycles, double factor, double *y) {
  const double sum = multiply_adds<double>(cycles, factor, (double)threadIdx.x);
  if (sum == NEVER) y[0] = sum;
}

extern "C" __global__ void multiply_add_float(long long cycles, double factor, double *y) {
  const float sum = multiply_adds<float>(cycles, (float)factor, (float)threadIdx.x);
  if (sum == (float)NEVER) y[0] = sum;
}

/* Eight numbers of eight bytes a cycle and thread, those of neighbouring threads side by side. */
extern "C" __global__ void read_shared(long long cycles, double *y) {
  __shared__ long long numbers[1024];
  for (int i = threadIdx.x; i < 1024; i += blockDim.x) numbers[i] = i;
  __syncthreads();
  long long bits = 0;
  int place = threadIdx.x;
  for (long long cycle = 0; cycle < cycles; cycle++) {
#pragma unroll
    for (int k = 0; k < 8; k++) bits ^= numbers[(place + 32 * k) & 1023];
    place += 256;
  }
  if (bits == -1) y[0] = NEVER;
}
