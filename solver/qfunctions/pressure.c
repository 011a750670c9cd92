/* Follower pressure p on a surface, and its exact tangent.

   With x = X + u on the surface and facets turned so that dx/dxi_1 x dx/dxi_2 points outwards, the
   current normal times the current area element is n da = dx/dxi_1 x dx/dxi_2, the traction is
   -p n, and the residual gains

       integral of p v . (dx/dxi_1 x dx/dxi_2).

   Reference: P. Wriggers, Nonlinear Finite Element Methods, Springer 2008, section 4.2.5.

   Components c = x, y, z and directions d = 1, 2 of surface gradients: component c + 3 d. */

/* in:  grad_u 6, grad_X 6, pressure 1 (times quadrature weight)
   out: v 3, grad_x 6 (stored for the tangent) */
CEED_QFUNCTION(pressure_residual)(void *context, const CeedInt Q, const CeedScalar *const *in, CeedScalar *const *out) {
  const CeedScalar *grad_u = in[0], *grad_X = in[1], *pressure = in[2];
  CeedScalar       *v = out[0], *grad_x = out[1];
  (void)context;
  CeedPragmaSIMD for (CeedInt i = 0; i < Q; i++) {
    const CeedScalar a0 = grad_u[i] + grad_X[i];
    const CeedScalar a1 = grad_u[i + Q] + grad_X[i + Q];
    const CeedScalar a2 = grad_u[i + 2 * Q] + grad_X[i + 2 * Q];
    const CeedScalar b0 = grad_u[i + 3 * Q] + grad_X[i + 3 * Q];
    const CeedScalar b1 = grad_u[i + 4 * Q] + grad_X[i + 4 * Q];
    const CeedScalar b2 = grad_u[i + 5 * Q] + grad_X[i + 5 * Q];
    v[i]              = pressure[i] * (a1 * b2 - a2 * b1);
    v[i + Q]          = pressure[i] * (a2 * b0 - a0 * b2);
    v[i + 2 * Q]      = pressure[i] * (a0 * b1 - a1 * b0);
    grad_x[i]         = a0;
    grad_x[i + Q]     = a1;
    grad_x[i + 2 * Q] = a2;
    grad_x[i + 3 * Q] = b0;
    grad_x[i + 4 * Q] = b1;
    grad_x[i + 5 * Q] = b2;
  }
  return 0;
}

/* in:  grad_du 6, grad_x 6, pressure 1 (times quadrature weight)
   out: dv 3 */
CEED_QFUNCTION(pressure_jacobian)(void *context, const CeedInt Q, const CeedScalar *const *in, CeedScalar *const *out) {
  const CeedScalar *grad_du = in[0], *grad_x = in[1], *pressure = in[2];
  CeedScalar       *dv = out[0];
  (void)context;
  CeedPragmaSIMD for (CeedInt i = 0; i < Q; i++) {
    const CeedScalar a0 = grad_x[i], a1 = grad_x[i + Q], a2 = grad_x[i + 2 * Q];
    const CeedScalar b0 = grad_x[i + 3 * Q], b1 = grad_x[i + 4 * Q], b2 = grad_x[i + 5 * Q];
    const CeedScalar da0 = grad_du[i], da1 = grad_du[i + Q], da2 = grad_du[i + 2 * Q];
    const CeedScalar db0 = grad_du[i + 3 * Q], db1 = grad_du[i + 4 * Q], db2 = grad_du[i + 5 * Q];
    dv[i]         = pressure[i] * (da1 * b2 - da2 * b1 + a1 * db2 - a2 * db1);
    dv[i + Q]     = pressure[i] * (da2 * b0 - da0 * b2 + a2 * db0 - a0 * db2);
    dv[i + 2 * Q] = pressure[i] * (da0 * b1 - da1 * b0 + a0 * db1 - a1 * db0);
  }
  return 0;
}
