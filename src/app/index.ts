/** The processes: from one YAML file to parts that start and stop, and the examination of a mesh. */
export { type ConsulToExamine, examineConsulMesh, examineIstioMesh } from './doctor.ts';
export type { Examination } from '../mesh-adapters/index.ts';
export { runProcess } from './run-process.ts';
