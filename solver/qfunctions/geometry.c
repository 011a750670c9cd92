/* Quadrature data of the element map.

   in:  grad_X  9   dX_J/dxi_d, component J + 3 d
        weight  1   quadrature weight
   out: qdata  10   weight * det(dX/dxi), then dxi_d/dX_J row by row */

CEED_QFUNCTION(geometry)(void *context, const CeedInt Q, const CeedScalar *const *in, CeedScalar *const *out) {
  const CeedScalar *grad_X = in[0], *weight = in[1];
  CeedScalar       *qdata  = out[0];
  (void)context;
  CeedPragmaSIMD for (CeedInt i = 0; i < Q; i++) {
    const CeedScalar a00 = grad_X[i], a10 = grad_X[i + Q], a20 = grad_X[i + 2 * Q];
    const CeedScalar a01 = grad_X[i + 3 * Q], a11 = grad_X[i + 4 * Q], a21 = grad_X[i + 5 * Q];
    const CeedScalar a02 = grad_X[i + 6 * Q], a12 = grad_X[i + 7 * Q], a22 = grad_X[i + 8 * Q];
    const CeedScalar c00 = a11 * a22 - a12 * a21;
    const CeedScalar c01 = a12 * a20 - a10 * a22;
    const CeedScalar c02 = a10 * a21 - a11 * a20;
    const CeedScalar det_dX_dxi = a00 * c00 + a01 * c01 + a02 * c02;
    const CeedScalar r          = 1.0 / det_dX_dxi;
    qdata[i]         = weight[i] * det_dX_dxi;
    qdata[i + Q]     = r * c00;
    qdata[i + 2 * Q] = r * (a02 * a21 - a01 * a22);
    qdata[i + 3 * Q] = r * (a01 * a12 - a02 * a11);
    qdata[i + 4 * Q] = r * c01;
    qdata[i + 5 * Q] = r * (a00 * a22 - a02 * a20);
    qdata[i + 6 * Q] = r * (a02 * a10 - a00 * a12);
    qdata[i + 7 * Q] = r * c02;
    qdata[i + 8 * Q] = r * (a01 * a20 - a00 * a21);
    qdata[i + 9 * Q] = r * (a00 * a11 - a01 * a10);
  }
  return 0;
}
