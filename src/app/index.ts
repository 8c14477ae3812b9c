/** The processes: from one YAML file to parts that start and stop, and the examination of a mesh. */
export { type ConsulToExamine, examineConsulMesh, examineIstioMesh } from './doctor.ts';
export type { Examination } from '../mesh-adapters/index.ts';
export { runProcess } from './run-process.ts';
export type { Answers } from './init/answers.ts';
export { initFolder, type InitResult } from './init/init-folder.ts';
export { examineAgent } from './self-check/examine-agent.ts';
export type { AgentAnswers } from './self-check/subject.ts';
