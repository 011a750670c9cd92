/* What a QFunction needs of libCEED, so that the file compiles without its headers. */
#ifndef CEED_QFUNCTION
#define CEED_QFUNCTION(name) int name
#define CeedPragmaSIMD _Pragma("omp simd")
typedef double CeedScalar;
typedef int CeedInt;
#endif

