/** The command that installs the operator, and gives it its rights back. */
export const INSTALL_OPERATOR = "wasme operator manifests | kubectl apply -f -";

/** The command that installs the kind FilterDeployment alone. */
export const INSTALL_KIND = "wasme operator manifests --crds only | kubectl apply -f -";
