import type { OperatorRole } from '@flotilla/protocol';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';

/** Who asks. */
export type Operator = Readonly<{ name: string; role: OperatorRole | 'admin' }>;
export const admin: Operator = { name: 'admin', role: 'admin' };

type Asked = { operator?: Operator };
export const setOperator = (request: object, operator: Operator) => {
  (request as Asked).operator = operator;
};

/** A controller's parameter: the guard has let nobody pass without. */
export const WhoAsks = createParamDecorator(
  (_data: unknown, context: ExecutionContext): Operator => context.switchToHttp().getRequest<Asked>().operator ?? admin,
);
