/* The words of CUDA and HIP as hipRTC has them built in, for a clang without ROCm's headers. */
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(threads) __attribute__((amdgpu_flat_work_group_size(1, threads)))

#define COORDINATE(type, value) \
  struct type { \
    __device__ __forceinline__ operator unsigned() const { return value; } \
  };
COORDINATE(ThreadX, __builtin_amdgcn_workitem_id_x())
COORDINATE(BlockX, __builtin_amdgcn_workgroup_id_x())
COORDINATE(ThreadsX, __builtin_amdgcn_workgroup_size_x())
COORDINATE(BlocksX, __builtin_amdgcn_grid_size_x() / __builtin_amdgcn_workgroup_size_x())
static __device__ const struct { ThreadX x; } threadIdx{};
static __device__ const struct { BlockX x; } blockIdx{};
static __device__ const struct { ThreadsX x; } blockDim{};
static __device__ const struct { BlocksX x; } gridDim{};

static __device__ __forceinline__ void __syncthreads() {
  __builtin_amdgcn_fence(__ATOMIC_RELEASE, "workgroup");
  __builtin_amdgcn_s_barrier();
  __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "workgroup");
}
template <class Number>
static __device__ __forceinline__ Number atomicAdd(Number *place, Number value) {
  return __hip_atomic_fetch_add(place, value, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT);
}

#define FUNCTION(name) \
  extern "C" __device__ __attribute__((const)) double __ocml_##name##_f64(double); \
  extern "C" __device__ __attribute__((const)) float __ocml_##name##_f32(float); \
  static __device__ __forceinline__ double name(double x) { return __ocml_##name##_f64(x); } \
  static __device__ __forceinline__ float name(float x) { return __ocml_##name##_f32(x); }
FUNCTION(fabs)
FUNCTION(sqrt)
FUNCTION(cbrt)
FUNCTION(log)
FUNCTION(exp)
FUNCTION(expm1)
FUNCTION(sin)
FUNCTION(cos)
FUNCTION(tanh)
#undef FUNCTION
#undef COORDINATE
extern "C" __device__ __attribute__((const)) double __ocml_pow_f64(double, double);
extern "C" __device__ __attribute__((const)) float __ocml_pow_f32(float, float);
static __device__ __forceinline__ double pow(double x, double y) { return __ocml_pow_f64(x, y); }
static __device__ __forceinline__ float pow(float x, float y) { return __ocml_pow_f32(x, y); }
