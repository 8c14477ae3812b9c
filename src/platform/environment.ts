/** The environment of the process, by name of the variable. */
export type Environment = Readonly<Record<string, string | undefined>>;

export const systemEnvironment: Environment = process.env;
