/** What all VMs of a host share. Each service is a class of its own file, made by `Host`. */
export interface HostServices {
  /** Runs the task when the host is settled next (`Host.settle`), never from within a call into a guest. */
  post(task: () => void): void;
}
