export abstract class BaseEnv {}
